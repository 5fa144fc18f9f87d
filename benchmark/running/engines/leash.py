"""Imported first by the server that worker processes are forked from, to end with its parent."""

import os

from benchmark.system.processes import PARENT, end_with_parent

end_with_parent(int(os.environ.pop(PARENT, os.getppid())))
