"""What clients call: the services, validation, admission, and the pages of lists."""
