//! Builds the parts, runs the one loop, and stops everything in reverse.
