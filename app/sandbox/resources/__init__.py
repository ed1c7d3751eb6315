"""The resources that exist at Kota without a host having sent them: policies, quotes, intents, reports and the like."""
