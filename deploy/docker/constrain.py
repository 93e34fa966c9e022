"""What an image must not take: `constrain.py CONSTRAINTS cpu|cuda`. A CPU image leaves the CUDA libraries out: it cannot use them."""

import sys
from pathlib import Path

CUDA_ONLY = ("nvidia-", "cuda-", "triton")

if __name__ == "__main__":
    file, variant = sys.argv[1:3]
    if variant not in {"cpu", "cuda"}:
        sys.exit(f"TORCH is cpu or cuda, not {variant!r}")
    for line in Path(file).read_text().splitlines() if variant == "cpu" else ():
        if line.startswith(CUDA_ONLY):
            sys.stdout.write(f"{line.partition('==')[0]} ; python_version < '0'\n")
