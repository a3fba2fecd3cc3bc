"""Following patients up, over HTTP: the call list, attempts, and the patient's own report."""
