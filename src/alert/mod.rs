//! Who is told, by what, until it has arrived.
