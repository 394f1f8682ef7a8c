/** --io session: what a run has changed in its view of home's files goes home, all of it or, if others changed the same, nothing. */
import type { OverlayFs } from '../../fs/overlay.ts';
import type { Ask } from './ask.ts';
import { Delivery } from './deliver.ts';
import { HomeError, Plan } from './plan.ts';

/** Why changes are not at home. */
export interface Failure {
  readonly reason: string;
  /** Some of them are. */
  readonly partly: boolean;
}

const SHOWN = 3;

/**
 * Answers null when home has everything.
 * @param overlay over the served tree, with bases.
 * @param mark in the names of what is on its way: no two homecomings have the same.
 */
export async function bringHome(overlay: OverlayFs, ask: Ask, mark: string): Promise<Failure | null> {
  let delivery: Delivery | null = null;
  let partly = false;
  try {
    overlay.lower.refresh?.();
    const plan = await Plan.make(overlay, ask);
    if (plan.conflicts.length > 0) return { reason: meanwhile(plan.conflicts), partly };
    if (plan.isEmpty) return null;
    delivery = new Delivery(plan, ask, mark);
    await delivery.stage();
    await plan.verify();
    if (plan.conflicts.length > 0) {
      await delivery.abandon();
      return { reason: meanwhile(plan.conflicts), partly };
    }
    partly = true;
    await delivery.commit();
    return null;
  } catch (error) {
    if (!(error instanceof HomeError)) throw error;
    if (!partly) await delivery?.abandon();
    return { reason: error.message, partly };
  }
}

function meanwhile(conflicts: readonly string[]): string {
  const more = conflicts.length > SHOWN ? ` and ${conflicts.length - SHOWN} more` : '';
  const were = conflicts.length === 1 ? 'was' : 'were';
  return `${conflicts.slice(0, SHOWN).sort().join(', ')}${more} ${were} changed there meanwhile`;
}
