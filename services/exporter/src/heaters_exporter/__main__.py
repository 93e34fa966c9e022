"""`python -m heaters_exporter` runs the service."""

from heaters_exporter.app import main

if __name__ == "__main__":
    main()
