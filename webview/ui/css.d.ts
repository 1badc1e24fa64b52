/** Style sheets are imported for their effect: the build writes one per page. */
declare module '*.css';
