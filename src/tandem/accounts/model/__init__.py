"""Pure values of the accounts room: tenants, users, credentials, logins. No database and no clock."""
