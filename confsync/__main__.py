"""`python -m confsync`: the front door."""

from confsync.front_door import main

if __name__ == "__main__":
    main()
