"""The embedded AWS: ministack and a SageMaker that really trains, processes and serves, in one process.

``python -m local`` runs it in the foreground; ``local.embedded_aws.EmbeddedAws`` runs it for a test or the demo.
"""
