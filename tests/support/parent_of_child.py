"""A process whose child sits in a C call for a minute: to be killed by a test. Arguments: where the child notes its id."""

import asyncio
import sys

from edges_children import hold_the_lock
from heaters_edges.child import in_child, warm_up

if __name__ == "__main__":
    warm_up(["edges_children"])
    asyncio.run(in_child(hold_the_lock, sys.argv[1]))
