"""The addresses of the studio, by who asks."""
