"""``python -m gcn2snn``: the command line, as torchrun starts it on several processes."""

from gcn2snn.start import main

if __name__ == "__main__":
    main()
