"""Where verified signatures are remembered: this process, and stores that pods share."""
