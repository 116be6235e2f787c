//! The `vai` command.

fn main() {}
