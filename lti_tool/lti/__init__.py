"""The LTI 1.3 boundary: login, launch, sessions, keys, and the services of platforms. PyLTI1p3 stays inside this package."""
