"""Assessment: items, banks, scoring, item response theory, adaptive choice, attempts and outcomes. The door is `assessment.api`."""
