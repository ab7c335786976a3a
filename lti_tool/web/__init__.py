"""What all pages share: the request's edge, the principal, rendering, charts, dates."""
