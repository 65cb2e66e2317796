"""A domain's configuration, as libxl keeps it: the JSON text, and the template over it."""
