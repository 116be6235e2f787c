#!/bin/sh
# Lives for as many seconds as it is told, else for up to two.
sleep "${1:-$((RANDOM % 2)).$((RANDOM % 10))}"
