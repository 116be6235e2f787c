//! The kinds of check, one a file. They run wherever this process runs: in the
//! orchestrator or, as the agent, inside a container.
