//! Read-only views and the operator's socket.
