"""What is proved of libxl's protocol alone: configurations, recovery, refinement."""
