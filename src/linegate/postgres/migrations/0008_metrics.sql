-- What metrics show of all processes together and no table had: how messages have ended since the
-- installation began. A counter of a process would begin again with each start of it.

-- bucket: which span of domain/pulse.py LINE's event took; 0: it was not delivered by LINE.
CREATE TABLE ended_total (
    status   smallint NOT NULL,
    bucket   smallint NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (status, bucket)
) WITH (fillfactor = 50);
