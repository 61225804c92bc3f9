"""The search path of our application: conf/ of installed packages and of the current folder."""
