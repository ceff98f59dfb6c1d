-- Which of the notices before the refresh token's end (60, 30 and 7 days) was the last; each is given once per token.
ALTER TABLE connections ADD COLUMN expiry_notice_days smallint;
