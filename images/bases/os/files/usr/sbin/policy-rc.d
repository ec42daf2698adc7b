#!/bin/sh
# Installing a package starts no service: an image has none running.
exit 101
