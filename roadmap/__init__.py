"""The development roadmap: frameworks as versioned data, evidence from statements, attainment, targets and figures."""
