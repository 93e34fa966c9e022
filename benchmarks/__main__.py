"""`python -m benchmarks` runs the topics."""

from benchmarks.harness import main

if __name__ == "__main__":
    main()
