"""`python -m heaters_scenes` runs the service."""

from heaters_scenes.app import main

if __name__ == "__main__":
    main()
