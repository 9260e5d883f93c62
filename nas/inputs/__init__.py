"""What goes into networks and into the programs that they become."""
