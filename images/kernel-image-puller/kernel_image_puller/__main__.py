"""`python -m kernel_image_puller`."""

import sys

from kernel_image_puller.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
