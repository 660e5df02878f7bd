SELECT name AS organisation_name FROM organisation WHERE code = :credit_code
