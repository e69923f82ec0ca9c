/**
 * An INSERT of the journal's lines of runs that ended, for the statement that ends them; `ended` is its list of their rows.
 * `seconds` are counted as for the run's own limit: from its receipt, or from the order to do it again.
 */
export const lineOfRun = (type: string, actor: string, ended: string) =>
  `INSERT INTO journal (at, portal, item_code, type, actor, data)
   SELECT ended_at, portal, item_code, ${type}, ${actor}, jsonb_build_object('run', id, 'robot', robot, 'ending', ending,
     'attempts', attempts,
     'seconds', round(greatest(0, extract(epoch FROM ended_at - coalesce(reopened_at, received_at))), 3))
   FROM ${ended} ORDER BY id`;
