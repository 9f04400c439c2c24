"""The paper's tables, every row of them: trained alike, measured, and put beside the printed figures."""
