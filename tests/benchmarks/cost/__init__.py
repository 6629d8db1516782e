"""The benchmark `make bench`: what logging costs, with logflume and with other libraries."""
