"""`python -m heaters_downloader` runs the service."""

from heaters_downloader.app import main

if __name__ == "__main__":
    main()
