"""`python -m heaters_embedder` runs the service."""

from heaters_embedder.app import main

if __name__ == "__main__":
    main()
