"""The words of a command line of these benches."""
import sys


def parse(argv, options, doc, fits):
    """Options with their values, `options` having those to begin with, and the other words; ends with `doc` where `fits` does not take
    their number."""
    options, plain = dict(options), []
    argv = list(argv)
    while argv:
        word = argv.pop(0)
        if word in options and argv:
            options[word] = argv.pop(0)
        else:
            plain.append(word)
    if not fits(len(plain)):
        sys.exit(doc)
    return options, plain
