import type { ErrorCode } from '../../base/error-table.ts';
import type { Guide } from './guide.ts';
import { governingGuides } from './governing-guides.ts';
import { limitGuides } from './limit-guides.ts';
import { permissionGuides } from './permission-guides.ts';
import { requestGuides } from './request-guides.ts';
import { routeGuides } from './route-guides.ts';

/** What the page of every code says. */
export const guides: Readonly<Record<ErrorCode, Guide>> = {
  ...requestGuides,
  ...permissionGuides,
  ...routeGuides,
  ...limitGuides,
  ...governingGuides,
};
