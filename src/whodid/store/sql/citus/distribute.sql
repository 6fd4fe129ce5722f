-- Distribute the tables of a PostgreSQL store over a Citus cluster, by workspace. Run it once, as a superuser, right after
-- the first opening, while the tables are empty; docs/operate/cluster.md says what comes before and after.

-- What belongs to no workspace is on every node.
SELECT create_reference_table('whodid.migration');
SELECT create_reference_table('whodid.setting');
SELECT create_reference_table('whodid.dictionary');

-- Everything of a workspace lies on one node: no transaction of the store ever needs a second one.
SELECT create_distributed_table('whodid.log', 'ws', colocate_with => 'none');
SELECT create_distributed_table('whodid.segment', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.seal', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.postings', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.volume', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.volume_index', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.second', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.entry', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.entry_id', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.touch', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.shape', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.tally', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.tile', 'ws', colocate_with => 'whodid.log');
SELECT create_distributed_table('whodid.state', 'ws', colocate_with => 'whodid.log');

-- What Citus gathers on the coordinator it writes by COPY, which row-level security forbids. Counts and hashes are without
-- that wall here; entries, their ids and everything else that says something keep it.
ALTER TABLE whodid.tile DISABLE ROW LEVEL SECURITY;
ALTER TABLE whodid.tally DISABLE ROW LEVEL SECURITY;
