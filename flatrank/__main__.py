"""`python -m flatrank` is `flatrank`."""

from flatrank.cli import main

if __name__ == "__main__":
    main()
