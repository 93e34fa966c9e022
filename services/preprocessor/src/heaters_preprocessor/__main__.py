"""`python -m heaters_preprocessor` runs the service."""

from heaters_preprocessor.app import main

if __name__ == "__main__":
    main()
