-- What the database itself holds to, whoever writes.

-- An erased key stays erased, and is never made again; a key that is there is never exchanged for another.
CREATE FUNCTION personal.refuse_other_key() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.person, NEW.purpose, NEW.id) IS NOT DISTINCT FROM (OLD.person, OLD.purpose, OLD.id)
           AND OLD.erased_at IS NULL THEN
            RETURN NEW;  -- erased, or wrapped by another master key
        END IF;
    END IF;
    RAISE EXCEPTION 'a key is made once and erased once: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER erased_is_final BEFORE UPDATE OR DELETE ON personal.key
    FOR EACH ROW EXECUTE FUNCTION personal.refuse_other_key();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON personal.key
    FOR EACH STATEMENT EXECUTE FUNCTION personal.refuse_other_key();

-- A ledger keeps its id: every entry's bytes hold it.
CREATE FUNCTION journal.refuse_other_ledger() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a ledger keeps its id: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$body$;
CREATE TRIGGER permanent BEFORE UPDATE OR DELETE ON journal.ledger
    FOR EACH ROW EXECUTE FUNCTION journal.refuse_other_ledger();
