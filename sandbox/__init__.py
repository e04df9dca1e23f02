"""Two local Azure-shaped clouds behind one loopback proxy. The product never imports this package, nor it the other."""
