"""The versions that an image takes: `constrain.py CONSTRAINTS cpu|cuda`. A CPU image leaves the CUDA libraries out: it cannot use them."""

import sys

CUDA_ONLY = ("nvidia-", "cuda-", "triton")

if __name__ == "__main__":
    file, variant = sys.argv[1:3]
    if variant not in {"cpu", "cuda"}:
        sys.exit(f"TORCH is cpu or cuda, not {variant!r}")
    for line in open(file):  # noqa: SIM115 - it is read to its end, and the process ends with it
        if variant == "cpu" and line.startswith(CUDA_ONLY):
            name = line.partition("==")[0].strip()
            line = f"{name} ; python_version < '0'\n"
        sys.stdout.write(line)
