"""What `manage.py doctor` looks at: pure judgements, and who asks the services."""
