"""``python -m gateway`` is the ``livegate`` command."""

import sys

from gateway.cli import main

sys.exit(main())
