"""Tables and plots as a pure function of records; no model is ever loaded here."""
