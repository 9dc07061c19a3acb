"""The audit trail: what every service recorded, kept in a sealed chain and shown to auditors."""
