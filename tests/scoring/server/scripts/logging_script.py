"""A script with a logger of its own."""

import logging

logger = logging.getLogger("of.the.script")


def init():
    pass


def run(raw_data):
    print("got", raw_data, sep="-")
    logger.info("heard %s", raw_data)
    return raw_data
