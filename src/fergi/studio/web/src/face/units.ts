/** The twelve FACS action units, in the order of every array of units, as in Python. */
export const UNITS = [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26] as const;

export type Unit = (typeof UNITS)[number];

/** Intensities, or activation values, of the twelve units. */
export type UnitValues = readonly number[];

export const BROW_LOWERER = UNITS.indexOf(4);
export const LIP_CORNER_PULLER = UNITS.indexOf(12);
