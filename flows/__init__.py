"""Orders the stages: Prefect flows, the command line, and the wiring that builds clients and passes them down."""
