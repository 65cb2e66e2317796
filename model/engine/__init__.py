"""The engine: what a design can do within bounds, and the exhaustive search that decides its properties. It knows no
protocol."""
